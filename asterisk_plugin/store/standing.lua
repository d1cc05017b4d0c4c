-- Put before every script that decides: which objections stand against calls for a principal.
-- An objection is withdrawn for a principal when a row of the ledger withdrew it by a consent of the
-- same person to that principal, given after the objection and recorded in a later row. It stands again
-- when that consent was taken back or its time is over. Everything is read here and now: no order in which
-- rows were written can make a difference. Anything that cannot be read lets the objection stand.
-- The three keys beside the objections lie in the same slot, and are read only when an objection is found.

local function beside(key, name)
  return (string.gsub(key, 'objections$', name))
end

local function record_of(text)
  local seq, json = string.match(text, '^(%d+) (.*)$')
  local readable, values = pcall(cjson.decode, json or '')
  if readable and type(values) == 'table' then
    return tonumber(seq), values
  end
  return nil, {}
end

local function taken_back(key, principal, purpose, product, given_seq, given_ms)
  local all = redis.call('HGETALL', beside(key, 'withdrawals'))
  for i = 1, #all, 2 do
    local whose, what, which = string.match(all[i], '^([^|]*)|([^|]*)|(.*)$')
    local seq, values = record_of(all[i + 1])
    if whose == principal and what == purpose and (which == product or which == 'any' or product == 'any')
        and (not seq or type(values.ms) ~= 'number' or seq > given_seq or values.ms >= given_ms) then
      return true
    end
  end
  return false
end

local function allows(key, consent, principal, objected_seq, objected_ms, now_ms)
  local prefix = principal .. '|' .. consent .. '|'
  local all = redis.call('HGETALL', beside(key, 'consents'))
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, #prefix) == prefix then
      local purpose, product = string.match(string.sub(all[i], #prefix + 1), '^([^|]*)|(.*)$')
      local seq, values = record_of(all[i + 1])
      local given_ms, until_ms = values.ms, values.until_ms
      if purpose and seq and seq > objected_seq
          and type(given_ms) == 'number' and given_ms > objected_ms and given_ms <= now_ms
          and (until_ms == nil or (type(until_ms) == 'number' and until_ms > now_ms)) then
        return not taken_back(key, principal, purpose, product, seq, given_ms)
      end
    end
  end
  return false
end

local function lifted(key, objection, record, principal, now_ms)
  local seq, values = record_of(record)
  -- Seq 0: it waits for a row of its own, which will come after every consent there is.
  if objection == '' or not seq or seq == 0 or type(values.ms) ~= 'number' then
    return false
  end
  for _, name in ipairs(redis.call('HKEYS', beside(key, 'lifted'))) do
    local which, consent = string.match(name, '^(%x+)|(%x+)$')
    if which == objection and allows(key, consent, principal, seq, values.ms, now_ms) then
      return true
    end
  end
  return false
end

-- Scope and record of each, one after the other.
local function standing(key, principal, now_ms)
  local all, found = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    local scope, id = string.match(all[i], '^([^|]*)|?(.*)$')
    if (scope == principal or scope == '*') and not lifted(key, id, all[i + 1], principal, now_ms) then
      found[#found + 1] = scope
      found[#found + 1] = all[i + 1]
    end
  end
  return found
end
