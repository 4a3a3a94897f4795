package wsserver

import "slices"

// Fault is a disturbance that is planned for moments of type M. The mutex of
// the stand-in guards it.
type Fault[M any] struct {
	Name  string
	Fits  []func(M) bool // all must be true
	Skip  int            // so many moments that fit pass unharmed
	Left  int            // how often it still happens; negative: no end
	Count int            // how often it happened
}

// happens tells whether f applies to m, and counts it.
func (f *Fault[M]) happens(m M) bool {
	if f.Left == 0 || slices.ContainsFunc(f.Fits, func(fits func(M) bool) bool { return !fits(m) }) {
		return false
	}
	if f.Skip > 0 {
		f.Skip--
		return false
	}
	if f.Left > 0 {
		f.Left--
	}
	f.Count++
	return true
}

// Rules are faults with the action of type A that each takes, in the order in
// which they were planned. The mutex of the stand-in guards them; the zero
// value has none.
type Rules[M, A any] []rule[M, A]

type rule[M, A any] struct {
	*Fault[M]
	do A
}

// With returns r with one more rule.
func (r Rules[M, A]) With(f *Fault[M], do A) Rules[M, A] {
	return append(r.live(), rule[M, A]{f, do})
}

// Apply goes through the rules that fit m. For each it calls happened and then
// do, until do says that there is nothing left to disturb. It returns the rules
// that can still apply.
func (r Rules[M, A]) Apply(m M, happened func(*Fault[M], M), do func(A) (over bool)) Rules[M, A] {
	used := false
	for _, rule := range r {
		if !rule.happens(m) {
			continue
		}
		happened(rule.Fault, m)
		used = used || rule.Left == 0
		if do(rule.do) {
			break
		}
	}
	if used {
		return r.live()
	}
	return r
}

// live drops the rules that cannot apply any more.
func (r Rules[M, A]) live() Rules[M, A] {
	return slices.DeleteFunc(r, func(rule rule[M, A]) bool { return rule.Left == 0 })
}
