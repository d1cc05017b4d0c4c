-- Take, renew or give back the right to rebuild.
-- KEYS: lease. ARGV: deadline ms, generation, what (take, renew, drop), lifetime ms
-- Reply: OK, server ms, 1 when it is ours. One that has lapsed is not renewed: another process may
-- have had it meanwhile, and have filled the store.
local holder = redis.call('GET', KEYS[1])
local ours = holder == ARGV[2]
if ARGV[3] == 'take' then
  ours = not holder
end
if not ours then
  return {'OK', server_ms, 0}
end
if ARGV[3] == 'drop' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
end
return {'OK', server_ms, 1}
