package pulsarserver

// Log names the file with what the server has said since its last start.
func (s *Server) Log() string { return s.p.log() }
