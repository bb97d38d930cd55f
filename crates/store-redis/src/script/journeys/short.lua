-- Since when what the partition's journeys knew is missing where the log does not reach; 0 if nothing is.
-- ARGV: 3 milliseconds for which that matters from now on, or nothing: it is only asked.
local short = base .. 'short'
if ARGV[3] ~= '' then
  redis.call('SET', short, whole(now()), 'PX', ARGV[3])
end
return redis.call('GET', short) or '0'
