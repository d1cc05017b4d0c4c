-- Put before every script that writes what the ledger says. KEYS[1] is the bucket's marker, KEYS[2]
-- says who is filling it; ARGV[2] is the caller's generation. A process that was frozen while
-- another took over must not write into, or remove from, what the other has filled.
local ready_for = string.match(redis.call('GET', KEYS[1]) or '', '^[^:]*')
local building_for = redis.call('GET', KEYS[2]) or ''
