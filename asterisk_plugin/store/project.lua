-- Write what a run of ledger rows says about the numbers of some buckets: one where each server holds its own.
-- KEYS: ready and building of each bucket, then those of each write: one, three for a count.
-- ARGV: deadline ms, generation, number of buckets, then for each write four values, five for a count:
--   record:  `h`, field, seq, JSON           (an older row never overwrites a newer one)
--   attempt: `z`, member, epoch ms, last ms  (the set lives at least until then)
--   count:   `c`, outcome, bit of its row, last ms, attempt id  (keys: day, rows that were counted, calls under way)
-- A process that was frozen while another took over must not write into what the other has filled: nothing is
-- written unless every bucket is filled, or being filled, by the caller's generation.
local markers = 2 * tonumber(ARGV[3])
for i = 1, markers, 2 do
  local ready_for = string.match(redis.call('GET', KEYS[i]) or '', '^[^:]*')
  if ready_for ~= ARGV[2] and redis.call('GET', KEYS[i + 1]) ~= ARGV[2] then
    return {'NOT-OURS', server_ms}
  end
end
local function keep_until(key, last_ms)
  if redis.call('PTTL', key) < tonumber(last_ms) - server_ms then
    redis.call('PEXPIREAT', key, last_ms)
  end
end
local at, i = 4, markers + 1
while i <= #KEYS do
  local key = KEYS[i]
  local kind, name, number, value = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at, i = at + 4, i + 1
  if kind == 'h' then
    local old = redis.call('HGET', key, name)
    local old_seq = old and tonumber(string.match(old, '^%d+')) or 0
    if old_seq < tonumber(number) then
      redis.call('HSET', key, name, value == '' and number or number .. ' ' .. value)
    end
  elseif kind == 'z' then
    redis.call('ZADD', key, number, name)
    keep_until(key, value)
  else
    if redis.call('SETBIT', KEYS[i], number, 1) == 0 then
      redis.call('HINCRBY', key, name, 1)
      keep_until(key, value)
      keep_until(KEYS[i], value)
    end
    -- In the same step: a call that ended is counted or under way, never neither.
    redis.call('ZREM', KEYS[i + 1], ARGV[at])
    at, i = at + 1, i + 2
  end
end
return {'OK', server_ms}
