/**
 * `server_now()` is the time in milliseconds since the epoch by the clock of Redis, the same for all processes.
 * No script takes a time from its caller: the clocks of two processes differ, and one may be set at any moment.
 */
export const SERVER_TIME = `
local function server_now()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** Answers with the time of Redis in milliseconds since the epoch. KEYS[1]: any key of the bus. */
export const TIME_SCRIPT: string = `${SERVER_TIME}
return server_now()
`;
