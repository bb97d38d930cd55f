-- Up to where in the log the partition has been applied.
return redis.call('GET', base .. 'through') or '0'
