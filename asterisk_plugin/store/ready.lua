-- Put before every script that decides. KEYS[1] is the bucket's marker, `generation:ledger:keep ms`:
-- without it the store is empty or half filled, and "no objection found" would mean nothing.
-- ARGV[2] is the ledger the caller relies on, `*` when it does not know.
local marker = redis.call('GET', KEYS[1])
local filled_from, stored_keep = string.match(marker or '', '^%x+:([^:]*):(%d+)$')
if not filled_from then
  return {'NOT-READY', server_ms}
end
if ARGV[2] ~= '*' and ARGV[2] ~= filled_from then
  return {'OTHER-LEDGER', server_ms}
end
