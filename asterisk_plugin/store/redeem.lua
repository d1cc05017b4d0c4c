-- Use a token up, with a last look at the objections.
-- KEYS: ready, objections, token
-- ARGV: deadline ms, ledger, shown number, now ms
-- Reply: OK, server ms, result, token JSON ('' when unknown)
local issued = redis.call('GET', KEYS[3])
if not issued then
  return {'OK', server_ms, 'unknown', ''}
end
redis.call('DEL', KEYS[3])
local readable, token = pcall(cjson.decode, issued)
if not readable or type(token) ~= 'table' or type(token.principal) ~= 'string'
    or type(token.shown) ~= 'string' or type(token.expires_ms) ~= 'number' then
  return {'CORRUPT', server_ms}
end
if tonumber(ARGV[4]) > token.expires_ms then
  return {'OK', server_ms, 'unknown', ''}
end
if #standing(KEYS[2], token.principal, tonumber(ARGV[4])) > 0 then
  return {'OK', server_ms, 'objection', issued}
end
if token.shown ~= ARGV[3] then
  return {'OK', server_ms, 'wrong-caller-id', issued}
end
return {'OK', server_ms, 'pass', issued}
