-- What the store says about itself. KEYS: position. ARGV: deadline ms
-- Reply: OK, server ms, (seq, hash, generation, ledger, keep ms), ms since it was moved or -1
local held = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'generation', 'ledger', 'keep_ms', 'moved_ms')
local moved_ms = tonumber(held[6] or '')
return {'OK', server_ms, {held[1], held[2], held[3], held[4], held[5]}, moved_ms and math.max(0, server_ms - moved_ms) or -1}
