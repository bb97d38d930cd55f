-- Where the store is made again from a log that does not reach back to the beginning: counters that are kept for ever
-- count too little. Until somebody has set them and deletes this key, none of them takes anything.
redis.call('SET', base .. 'short', whole(now()))
return 'ok'
