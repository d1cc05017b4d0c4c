-- Write one objection as the projection of its ledger row would.
-- KEYS: ready, objections. ARGV: deadline ms, ledger, channel, message, field, seq, JSON
-- A seq of 0 is one that the ledger has not taken yet: any row overwrites it.
local old = redis.call('HGET', KEYS[2], ARGV[5])
local old_seq = old and tonumber(string.match(old, '^%d+')) or -1
if old_seq < tonumber(ARGV[6]) then
  redis.call('HSET', KEYS[2], ARGV[5], ARGV[6] .. ' ' .. ARGV[7])
end
return {'OK', server_ms}
