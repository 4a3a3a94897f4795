package eds

// fifo is a queue of runs, linked by run.next. The zero value is empty.
type fifo struct{ first, last *run }

func (q *fifo) empty() bool { return q.first == nil }

func (q *fifo) push(r *run) {
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
}

func (q *fifo) pop() *run {
	r := q.first
	if r == nil {
		return nil
	}
	if q.first = r.next; q.first == nil {
		q.last = nil
	}
	r.next = nil
	return r
}
