-- How a campaign's calls ended, and room for one more without an agent if its worst end keeps every limit; see
-- `core/campaign_rates.py`, whose arithmetic this is.
-- KEYS: ready, calls under way, then the days of the longest window, oldest first
-- ARGV: deadline ms, ledger, attempt id ('' to look only), lifetime ms, most at once, number of outcomes, the outcomes,
--       then for each limit: its number of days, the worst cost, the cost of each outcome
-- Reply: OK, server ms, under way before, room 0/1, reserved 0/1, counts of each limit by outcome
local outcomes = tonumber(ARGV[6])
local names = {}
for i = 1, outcomes do
  names[i] = ARGV[6 + i]
end
local days = {}
for i = 3, #KEYS do
  days[#days + 1] = redis.call('HMGET', KEYS[i], unpack(names))
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%d', server_ms))
local in_flight = redis.call('ZCARD', KEYS[2])
local counts, free = {}, tonumber(ARGV[5])
for at = 7 + outcomes, #ARGV, outcomes + 2 do
  local balance = 0
  for i = 1, outcomes do
    local count = 0
    for day = #days - tonumber(ARGV[at]) + 1, #days do
      count = count + (tonumber(days[day][i] or '0') or 0)
    end
    counts[#counts + 1] = count
    balance = balance - count * tonumber(ARGV[at + 1 + i])
  end
  free = math.min(free, math.floor(balance / tonumber(ARGV[at + 1])))
end
local room, reserved = free - in_flight >= 1, 0
if room and ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[2], server_ms + tonumber(ARGV[4]), ARGV[3])
  if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
  end
  reserved = 1
end
return {'OK', server_ms, in_flight, room and 1 or 0, reserved, counts}
