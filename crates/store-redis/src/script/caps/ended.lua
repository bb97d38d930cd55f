-- A lead has ended: what is pinned for it and was never posted is released; its router did not hear that it
-- was pinned. ARGV: 3 lead, 4 milliseconds a reservation is known afterwards, 5.. legs that were posted.
local posted = {}
for at = 5, #ARGV do
  posted[ARGV[3] .. '/' .. ARGV[at]] = true
end
-- All of the lead: `0` is what follows on `/`.
for _, id in ipairs(redis.call('ZRANGEBYLEX', base .. 'pins', '[' .. ARGV[3] .. '/', '(' .. ARGV[3] .. '0')) do
  if not posted[id] then
    release(id, 'nothing', ARGV[4])
  end
end
return 'ok'
