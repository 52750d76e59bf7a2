package budget

import "time"

// SetClocks replaces Redis's clock and this process's.
func (b *Budget) SetClocks(redis, ours func() time.Time) { b.theirs, b.ours = redis, ours }
