-- How far partitions have been folded. ARGV: 3 how many, 4.. how far each is by now, if that is told.
local reached = {}
for at = 0, ARGV[3] - 1 do
  if ARGV[4 + at] then
    reach(at, ARGV[4 + at])
  end
  reached[at + 1] = redis.call('HGET', base .. 'folded', at) or '0'
end
return reached
