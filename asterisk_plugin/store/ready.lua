-- Put before every script that decides. KEYS[1] is the bucket's marker: without it the store is
-- empty or half filled, and "no objection found" would mean nothing.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'NOT-READY', server_ms}
end
