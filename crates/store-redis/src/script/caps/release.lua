-- ARGV: 3 reservation, 4 what a pin has used (sold, sent, nothing), 5 milliseconds it is known afterwards.
release(ARGV[3], ARGV[4], ARGV[5])
return 'ok'
