-- A call without a reserved agent needs no room any more. KEYS: calls under way
-- ARGV: deadline ms, attempt id, ms for which it is still held until its end is counted, 0 for none
if ARGV[3] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[2])
else
  redis.call('ZADD', KEYS[1], 'XX', 'LT', server_ms + tonumber(ARGV[3]), ARGV[2])
end
return {'OK', server_ms}
