package redisstore

// WithoutSetNXGet has the store take the server for one that is older than
// Redis 7.0.
func WithoutSetNXGet() Option { return func(s *settings) { s.noSetNXGet = true } }
