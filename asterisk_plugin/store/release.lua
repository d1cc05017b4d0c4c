-- Undo a reservation. KEYS: attempts, token. ARGV: deadline ms, member
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
return {'OK', server_ms}
