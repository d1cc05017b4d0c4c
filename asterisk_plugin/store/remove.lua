-- Remove what was projected into a bucket that is out of use, and that we are filling.
-- KEYS: ready, building, then what goes. ARGV: deadline ms, generation
if ready_for ~= '' or building_for ~= ARGV[2] then
  return {'NOT-OURS', server_ms}
end
for i = 3, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
return {'OK', server_ms}
