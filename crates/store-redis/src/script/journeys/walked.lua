-- The rows of all before this place are made by these rules. ARGV: 3 the number of the rules, 4 the place. Says the
-- number of newer rules, if there are such, or 0.
local newest = judged_by(tonumber(ARGV[3]))
if newest then
  return newest
end
redis.call('HSET', base .. 'rules', 'next', ARGV[4])
return 0
