-- Everything one decision needs, and the reservation of the attempt, in one atomic step.
-- KEYS: ready, objections, consents, withdrawals, relationships, attempts, token, ended
-- ARGV: deadline ms, ledger, principal, campaign, reserve 0/1, now ms, member, token JSON,
--       token lifetime ms, kept ms, then for each limit: scope (number, principal, campaign),
--       since ms or -inf, most
-- Reply: OK, server ms, objections, consents, withdrawals, relationships (name, value, ...),
--        counts (used, oldest ms or -1, ...), reserved 0/1, how calls ended (name, epoch ms, ...)
local principal, campaign = ARGV[3], ARGV[4]
local now_ms, kept_ms = tonumber(ARGV[6]), tonumber(stored_keep)
if kept_ms < tonumber(ARGV[10]) then
  return {'TOO-SHORT', server_ms}
end

local function fields_of(key, prefix)
  local all, found = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, #prefix) == prefix then
      found[#found + 1] = all[i]
      found[#found + 1] = all[i + 1]
    end
  end
  return found
end

local objections = standing(KEYS[2], principal, now_ms)

local mine = principal .. '|'
local prefixes = {number = '', principal = mine, campaign = mine .. campaign .. '|'}
local counts, free = {}, true
for at = 11, #ARGV, 3 do
  local prefix = prefixes[ARGV[at]]
  local used, oldest_ms = 0, -1
  local members = redis.call('ZRANGEBYSCORE', KEYS[6], ARGV[at + 1], '+inf', 'WITHSCORES')
  for i = 1, #members, 2 do
    if string.sub(members[i], 1, #prefix) == prefix then
      used = used + 1
      if oldest_ms < 0 then
        oldest_ms = tonumber(members[i + 1])
      end
    end
  end
  counts[#counts + 1] = used
  counts[#counts + 1] = oldest_ms
  if used >= tonumber(ARGV[at + 2]) then
    free = false
  end
end

local reserved = 0
if ARGV[5] == '1' and free and #objections == 0 then
  -- ZADD first: a server whose memory is full refuses only what a script writes first.
  redis.call('ZADD', KEYS[6], now_ms, ARGV[7])
  -- By the time the store was filled for, not by this caller's rules: others may count further
  -- back, and so may this one again after its next reload.
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', '(' .. string.format('%d', now_ms - kept_ms))
  if redis.call('PTTL', KEYS[6]) < kept_ms then
    redis.call('PEXPIRE', KEYS[6], kept_ms)
  end
  redis.call('SET', KEYS[7], ARGV[8], 'PX', ARGV[9])
  reserved = 1
end

return {
  'OK', server_ms, objections, fields_of(KEYS[3], mine), fields_of(KEYS[4], mine),
  fields_of(KEYS[5], mine), counts, reserved, redis.call('HGETALL', KEYS[8]),
}
