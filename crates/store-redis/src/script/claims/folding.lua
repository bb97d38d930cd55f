-- What a record is folded into. ARGV: 3 lead, 4 partition. Says the state, nothing if there is none, how far the
-- partition has been folded, and whether the lead is only read again.
local known = redis.call('HMGET', base .. 'l:' .. ARGV[3], 'state', 'again')
return { known[1] or '', redis.call('HGET', base .. 'folded', ARGV[4]) or '0', known[2] or '' }
