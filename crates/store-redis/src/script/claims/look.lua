-- What an admission is judged by. ARGV: 3 key, 4 digest, 5 lead, 6 campaign, 7 hashes. Says `held` or
-- `conflict`, or `judge` with the time and the other leads, and what they amount to, so that a change of
-- them is seen. A lead that is taken over is judged anew: once its lease had lapsed, others may have been
-- let in.
local at = now()
local said, lead = holder(ARGV[3], ARGV[4], ARGV[5], at)
if said then
  return said
end
local found = earlier(ARGV[6], ARGV[7], at, lead or ARGV[5])
return { 'judge', found, whole(at), redis.sha1hex(table.concat(found, '\n')) }
