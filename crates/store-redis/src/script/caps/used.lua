-- ARGV: 3.. names of counters. Says what is reserved of each.
sweep(now(), 1000)
local used = {}
for at = 3, #ARGV do
  used[at - 2] = redis.call('GET', base .. 'n:' .. ARGV[at]) or '0'
end
return used
