-- Take a bucket out of use for a rebuild. KEYS: ready, building. ARGV: deadline ms, generation
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2])
return {'OK', server_ms}
