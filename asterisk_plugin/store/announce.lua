-- Tell every process that watches calls; also when the store is not ready, for calls ring all the same.
-- ARGV[3] is the channel, ARGV[4] the message. A user without the right to publish still writes.
redis.pcall('PUBLISH', ARGV[3], ARGV[4])
