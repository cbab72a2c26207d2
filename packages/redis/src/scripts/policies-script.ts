import { SERVER_TIME } from "./server-time.ts";

/** Policies that differ between releases, the stricter ones first. */
export const POLICIES = ["all", "key", "none", "block", "park"] as const;

/** What some release has declared of a subscription. */
export type Policy = (typeof POLICIES)[number];

/** The field of a policy in the hash of policies: when it was declared last. */
export function policyField(policy: Policy, subscriptionId: string): string {
  return `${policy} ${subscriptionId}`;
}

/**
 * Reads which policies were declared of subscriptions not long ago. KEYS[1]: the hash of policies. ARGV:
 * milliseconds for which a declaration counts, and ids. Answers for each with its policies and commas between.
 */
export const POLICIES_SCRIPT: string = `${SERVER_TIME}
local now, window = server_now(), tonumber(ARGV[1])
local answer = {}
for index = 2, #ARGV do
  local live = {}
  for _, policy in ipairs({ ${POLICIES.map((policy) => `"${policy}"`).join(", ")} }) do
    local at = tonumber(redis.call("HGET", KEYS[1], policy .. " " .. ARGV[index]))
    if at and now - at < window then table.insert(live, policy) end
  end
  answer[index - 1] = table.concat(live, ",")
end
return answer
`;
