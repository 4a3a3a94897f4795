package pulsartest

// Publish puts a message into a topic, which is made if need be, and returns
// its id. A topic's name is tenant/namespace/topic, or with its domain before,
// or the name of a topic of public/default. The error says that the name is
// wrong, or that the topic is terminated.
func (s *Server) Publish(topic string, m Message) (id string, err error) {
	return s.take(topic, m.clone(), nil)
}

// PublishAll is as Publish for each of the messages, up to the first that the
// topic does not take.
func (s *Server) PublishAll(topic string, messages ...Message) (ids []string, err error) {
	for _, m := range messages {
		id, err := s.Publish(topic, m)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// PublishRaw puts a message into a topic that is delivered as this envelope,
// whatever that is. It is a message like any other: it counts in the window, it
// comes again until it is acknowledged by its id. Where the envelope has
// Placeholder, that id is put in. See Topic.Send for what belongs to no message.
func (s *Server) PublishRaw(topic string, envelope []byte) (id string, err error) {
	return s.take(topic, Message{}, append([]byte{}, envelope...))
}

func (s *Server) take(name string, m Message, envelope []byte) (string, error) {
	full, err := fullName(name)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host.Closed() {
		return "", ErrClosed
	}
	taken, err := s.open(full, true).route(m.Key).append(m, envelope, 0)
	if err != nil {
		return "", err
	}
	return taken.id, nil
}
