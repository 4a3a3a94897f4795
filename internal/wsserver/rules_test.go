package wsserver

import (
	"slices"
	"testing"
)

func TestRulesApplyAsOftenAsTheyMay(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault Fault[int]
		want  []int // of the moments 0 to 5
	}{
		{"once", Fault[int]{Left: 1}, []int{0}},
		{"twice", Fault[int]{Left: 2}, []int{0, 1}},
		{"never", Fault[int]{}, nil},
		{"always", Fault[int]{Left: -1}, []int{0, 1, 2, 3, 4, 5}},
		{"after two", Fault[int]{Left: 1, Skip: 2}, []int{2}},
		{"at odd ones above 1", Fault[int]{Left: -1, Fits: []func(int) bool{
			func(m int) bool { return m%2 == 1 }, func(m int) bool { return m > 1 },
		}}, []int{3, 5}},
		{"what does not fit is not skipped", Fault[int]{Left: 1, Skip: 1, Fits: []func(int) bool{
			func(m int) bool { return m >= 3 },
		}}, []int{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var happened, done []int
			var rules Rules[int, string]
			rules = rules.With(&c.fault, "x")
			for m := range 6 {
				rules = rules.Apply(m, func(_ *Fault[int], m int) { happened = append(happened, m) }, func(string) bool {
					done = append(done, m)
					return false
				})
			}
			if !slices.Equal(done, c.want) || !slices.Equal(happened, c.want) || c.fault.Count != len(c.want) {
				t.Errorf("done at %v, recorded at %v, counted %d; want %v", done, happened, c.fault.Count, c.want)
			}
			if spent := c.fault.Left == 0; spent != (len(rules.With(&Fault[int]{}, "y")) == 1) {
				t.Errorf("%d rules are left", len(rules))
			}
		})
	}
}

func TestRulesStopAtTheFirstThatIsOver(t *testing.T) {
	first, second := &Fault[int]{Left: 1}, &Fault[int]{Left: 1}
	rules := Rules[int, string]{}.With(first, "over").With(second, "next")
	apply := func() (done []string) {
		rules = rules.Apply(0, func(*Fault[int], int) {}, func(do string) bool {
			done = append(done, do)
			return do == "over"
		})
		return done
	}
	if got := apply(); !slices.Equal(got, []string{"over"}) || second.Count != 0 {
		t.Errorf("%v, then counted %d", got, second.Count)
	}
	if got := apply(); !slices.Equal(got, []string{"next"}) || len(rules) != 0 {
		t.Errorf("%v, %d rules are left", got, len(rules))
	}
}
