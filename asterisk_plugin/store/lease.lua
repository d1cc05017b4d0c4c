-- Take, renew or (lifetime 0) give back the right to rebuild.
-- KEYS: lease. ARGV: deadline ms, generation, lifetime ms. Reply: OK, server ms, 1 when it is ours
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[2] then
  return {'OK', server_ms, 0}
end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return {'OK', server_ms, 1}
