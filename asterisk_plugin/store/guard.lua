-- Put before every script. ARGV[1] is the moment (this server's clock, epoch ms) after which the
-- caller no longer waits, 0 for none: a server that was frozen must not do, when it thaws, what
-- nobody wants any more (count an attempt that was never dialled). Every reply starts with a
-- status and this server's clock.
local clock = redis.call('TIME')
local server_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local deadline_ms = tonumber(ARGV[1])
if deadline_ms > 0 and server_ms > deadline_ms then
  return {'LATE', server_ms}
end
