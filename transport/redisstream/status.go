package redisstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// appendsCount is for how long an append that failed outweighs a question that
// was answered: a Redis that is full answers questions. It is twice the time
// after which EDS delivers again what was left with it.
const appendsCount = time.Minute

// standing is what a Publisher knows of its Redis.
type standing struct {
	well atomic.Bool // state is Connected, so that an append need not lock

	mu     sync.Mutex
	status eds.Status
	failed time.Time // when an append did, and none has been taken since
}

// Status tells whether Redis takes events, by the last append and the last
// Ping: Connecting before the first of them and while they fail, with the
// reason in Err, Refused while no repetition can help, such as with a wrong
// password, and Connected otherwise.
func (p *Publisher) Status() eds.Status {
	p.standing.mu.Lock()
	defer p.standing.mu.Unlock()
	return p.standing.status
}

// Ping asks Redis for the streams and notes the answer for Status: a Publisher
// that has nothing to append learns nothing otherwise. Its error is an
// *eds.AuthError or *eds.ConfigError where trying again cannot help.
func (p *Publisher) Ping(ctx context.Context) error {
	client := p.pipes[0].client
	for _, stream := range p.streams {
		_, err := rediscall.Within(ctx, p.sendTimeout, func(ctx context.Context) (int64, error) {
			return client.XLen(ctx, stream).Result()
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			p.standing.troubled(stream, client, err, false)
			return whyNot(client, stream, err)
		}
	}
	p.standing.answered()
	return nil
}

// took notes that an append was taken.
func (s *standing) took() {
	if s.well.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = time.Time{}
	s.enter(eds.Connected)
}

// answered notes that a question was.
func (s *standing) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed.IsZero() || time.Since(s.failed) > appendsCount {
		s.enter(eds.Connected)
	}
}

// troubled notes an error of an append or a question.
func (s *standing) troubled(stream string, client redis.UniversalClient, err error, appending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if appending {
		s.failed = time.Now()
	}
	s.status.Err = rediscall.Discreet(err)
	state := eds.Connecting
	if final := judge(client, stream, err); final != nil {
		s.status.Err, state = final, eds.Refused
	}
	s.enter(state)
}

// enter changes the state. s.mu is held.
func (s *standing) enter(state eds.State) {
	s.well.Store(state == eds.Connected)
	if s.status.State == state {
		return
	}
	s.status.State, s.status.Since = state, time.Now()
	if state == eds.Connected {
		s.status.Connects++
	}
}
