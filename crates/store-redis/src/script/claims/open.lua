-- Leads of a partition that have not ended, oldest first. ARGV: 3 partition, 4 from which one, 5 how many.
local states = {}
for _, lead in ipairs(redis.call('ZRANGE', base .. 'open:' .. ARGV[3], ARGV[4], ARGV[4] + ARGV[5] - 1)) do
  states[#states + 1] = redis.call('HGET', base .. 'l:' .. lead, 'state') or ''
end
return states
