-- Write what a run of ledger rows says about the numbers of some buckets: one where each server holds its own.
-- KEYS: ready and building of each bucket, then one for each write.
-- ARGV: deadline ms, generation, number of buckets, then for each write four values:
--   record:  `h`, field, seq, JSON           (an older row never overwrites a newer one)
--   attempt: `z`, member, epoch ms, last ms  (the set lives at least until then)
-- A process that was frozen while another took over must not write into what the other has filled: nothing is
-- written unless every bucket is filled, or being filled, by the caller's generation.
local markers = 2 * tonumber(ARGV[3])
for i = 1, markers, 2 do
  local ready_for = string.match(redis.call('GET', KEYS[i]) or '', '^[^:]*')
  if ready_for ~= ARGV[2] and redis.call('GET', KEYS[i + 1]) ~= ARGV[2] then
    return {'NOT-OURS', server_ms}
  end
end
local at = 4
for i = markers + 1, #KEYS do
  local key = KEYS[i]
  local kind, name, number, value = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  if kind == 'h' then
    local old = redis.call('HGET', key, name)
    local old_seq = old and tonumber(string.match(old, '^%d+')) or 0
    if old_seq < tonumber(number) then
      redis.call('HSET', key, name, number .. ' ' .. value)
    end
  else
    redis.call('ZADD', key, number, name)
    if redis.call('PTTL', key) < tonumber(value) - server_ms then
      redis.call('PEXPIREAT', key, value)
    end
  end
end
return {'OK', server_ms}
