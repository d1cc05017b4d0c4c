-- Remember how far the ledger is projected, and that somebody keeps it so; never backwards, never
-- for another generation, and never over rows that a store which came back older has lost.
-- KEYS: position. ARGV: deadline ms, generation, seq, hash, seq at which it must be before
local held = redis.call('HMGET', KEYS[1], 'generation', 'seq')
if held[1] ~= ARGV[2] then
  return {'NOT-OURS', server_ms}
end
local at = tonumber(held[2] or '0')
if at < tonumber(ARGV[5]) then
  return {'NOT-OURS', server_ms}
end
if at < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'seq', ARGV[3], 'hash', ARGV[4])
end
redis.call('HSET', KEYS[1], 'moved_ms', string.format('%d', server_ms))
return {'OK', server_ms}
