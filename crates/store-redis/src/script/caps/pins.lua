-- Where the store is made again: ends a few holds, of routers that are gone, and says which reservations are
-- pinned. ARGV: 3 from which one, 4 how many.
local ended = sweep(MOST, 1000)
return { ended, redis.call('ZRANGE', base .. 'pins', ARGV[3], ARGV[3] + ARGV[4] - 1) }
