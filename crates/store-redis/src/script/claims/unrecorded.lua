-- Where the store is made again: withdraws some of the leads that the log does not know; their routers are gone.
-- Says how many there were.
local leads = redis.call('ZRANGE', base .. 'unrecorded', 0, 999)
for _, lead in ipairs(leads) do
  if redis.call('HEXISTS', base .. 'l:' .. lead, 'state') == 0 then
    withdraw(lead)
  end
  redis.call('ZREM', base .. 'unrecorded', lead)
end
return #leads
