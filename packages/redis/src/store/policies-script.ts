import { DECLARATION_COUNTS_MS, ORDER_POLICIES, type OrderPolicy } from "@busbar/core/provider";
import { SERVER_TIME } from "./server-time.ts";

/**
 * The hash of policies has the time at which a release has declared a policy of a subscription last, in the field
 * that {@link policyField} names.
 *
 * `is_declared(own, policy, subscription, now)` says whether that was not long ago. `move_policies(own, from, to)`
 * moves what was declared of one subscription to another, or removes it if there is no other.
 */
export const POLICY_LIBRARY: string = `
local POLICIES = { ${Object.values(ORDER_POLICIES)
  .flat()
  .map((policy) => `"${policy}"`)
  .join(", ")} }
local function is_declared(own, policy, subscription, now)
  local at = tonumber(redis.call("HGET", own .. "policies", policy .. " " .. subscription))
  return at ~= nil and now - at < ${DECLARATION_COUNTS_MS}
end
local function move_policies(own, from, to)
  local policies = own .. "policies"
  for _, policy in ipairs(POLICIES) do
    local at = redis.call("HGET", policies, policy .. " " .. from)
    redis.call("HDEL", policies, policy .. " " .. from)
    local field = to and policy .. " " .. to
    if field and tonumber(at) and tonumber(at) > (tonumber(redis.call("HGET", policies, field)) or 0) then
      redis.call("HSET", policies, field, at)
    end
  end
end
`;

/** The field of a policy in the hash of policies. */
export function policyField(policy: OrderPolicy, subscriptionId: string): string {
  return `${policy} ${subscriptionId}`;
}

/**
 * Reads which policies were declared of subscriptions not long ago. KEYS[1]: the hash of policies. ARGV: prefix
 * of our own keys, and ids. Answers for each with its policies and commas between.
 */
export const POLICIES_SCRIPT: string = `${SERVER_TIME}${POLICY_LIBRARY}
local own, now = ARGV[1], server_now()
local answer = {}
for index = 2, #ARGV do
  local live = {}
  for _, policy in ipairs(POLICIES) do
    if is_declared(own, policy, ARGV[index], now) then table.insert(live, policy) end
  end
  answer[index - 1] = table.concat(live, ",")
end
return answer
`;
