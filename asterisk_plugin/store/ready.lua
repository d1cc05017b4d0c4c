-- Put before every script that decides. KEYS[1] is the bucket's marker, `generation:ledger:keep ms:layout`:
-- without it the store is empty or half filled, and "no objection found" would mean nothing. One of another
-- layout means that an older or newer program filled it, whose objections would not be found here.
-- ARGV[2] is the ledger the caller relies on, `*` when it does not know.
local marker = redis.call('GET', KEYS[1])
local filled_from, stored_keep = string.match(marker or '', '^%x+:([^:]*):(%d+):3$')
if not filled_from then
  return {'NOT-READY', server_ms}
end
if ARGV[2] ~= '*' and ARGV[2] ~= filled_from then
  return {'OTHER-LEDGER', server_ms}
end
