-- Put a bucket in use that we have filled. KEYS: ready, building. ARGV: deadline ms, generation, marker
if building_for ~= ARGV[2] then
  return {'NOT-OURS', server_ms}
end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('DEL', KEYS[2])
return {'OK', server_ms}
