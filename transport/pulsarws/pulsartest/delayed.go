package pulsartest

import (
	"container/heap"
	"time"
)

// postpone keeps a message until its time, on the subscriptions that do that.
func (sub *subscription) postpone(m *message) bool {
	if !sub.shares() || m.DeliverAt.IsZero() || !time.Now().Before(m.DeliverAt) {
		return false
	}
	heap.Push(&sub.delayed, m)
	if sub.delayed[0] == m {
		sub.setAlarm()
	}
	return true
}

func (sub *subscription) setAlarm() {
	if sub.alarm != nil {
		sub.alarm.Stop()
	}
	if len(sub.delayed) > 0 {
		sub.alarm = time.AfterFunc(time.Until(sub.delayed[0].DeliverAt), sub.ring)
	}
}

// stop ends the timers.
func (sub *subscription) stop() {
	for _, timer := range []*time.Timer{sub.alarm, sub.settle} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// ring runs on the goroutine of alarm.
func (sub *subscription) ring() {
	s := sub.t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host.Closed() {
		return
	}
	for len(sub.delayed) > 0 && !time.Now().Before(sub.delayed[0].DeliverAt) {
		sub.back.add(heap.Pop(&sub.delayed).(*message).entry)
	}
	sub.setAlarm()
	sub.dispatch()
}

// byDelivery is a heap.
type byDelivery []*message

func (d byDelivery) Len() int           { return len(d) }
func (d byDelivery) Less(i, j int) bool { return d[i].DeliverAt.Before(d[j].DeliverAt) }
func (d byDelivery) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *byDelivery) Push(x any)        { *d = append(*d, x.(*message)) }
func (d *byDelivery) Pop() any {
	last := len(*d) - 1
	m := (*d)[last]
	*d = (*d)[:last]
	return m
}
