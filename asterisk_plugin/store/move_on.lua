-- Remember how far the ledger is projected; never backwards, never for another generation.
-- KEYS: position. ARGV: deadline ms, generation, seq, hash
-- Reply: OK, server ms, 1 when this generation still holds
local held = redis.call('HMGET', KEYS[1], 'generation', 'seq')
if held[1] ~= ARGV[2] then
  return {'OK', server_ms, 0}
end
if tonumber(held[2] or '0') < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'seq', ARGV[3], 'hash', ARGV[4])
end
return {'OK', server_ms, 1}
