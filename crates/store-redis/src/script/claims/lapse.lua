-- Where the store is made again: a lead whose router claimed to post it, and recorded no post, is anybody's.
-- ARGV: 3 lead.
local entry = base .. 'l:' .. ARGV[3]
if redis.call('HGET', entry, 'phase') == 'posting' then
  redis.call('HSET', entry, 'phase', 'admitted', 'lease', '0')
end
return 'ok'
