package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// millis is a time in milliseconds; the zero time is NULL.
type millis time.Time

// Value implements [driver.Valuer].
func (m millis) Value() (driver.Value, error) {
	if time.Time(m).IsZero() {
		return nil, nil
	}
	return time.Time(m).UnixMilli(), nil
}

// Scan implements [database/sql.Scanner].
func (m *millis) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m = millis{}
	case int64:
		*m = millis(time.UnixMilli(v).UTC())
	default:
		return fmt.Errorf("%T is not a time", v)
	}
	return nil
}

// text is JSON in a column; nothing is NULL.
type text []byte

// Value implements [driver.Valuer].
func (t text) Value() (driver.Value, error) {
	if len(t) == 0 {
		return nil, nil
	}
	return string(t), nil
}

// Scan implements [database/sql.Scanner].
func (t *text) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*t = nil
	case string:
		*t = text(v)
	case []byte:
		*t = append(text(nil), v...)
	default:
		return fmt.Errorf("%T is not text", v)
	}
	return nil
}

// document is a value as JSON in a column; NULL leaves it as it is. The zero
// value of T is NULL.
type document[T any] struct{ v *T }

// Value implements [driver.Valuer].
func (d document[T]) Value() (driver.Value, error) {
	out, err := json.Marshal(d.v)
	if err != nil {
		return nil, err
	}
	if s := string(out); s != "null" && s != "{}" {
		return s, nil
	}
	return nil, nil
}

// Scan implements [database/sql.Scanner].
func (d document[T]) Scan(v any) error {
	var t text
	if err := t.Scan(v); err != nil || t == nil {
		return err
	}
	return json.Unmarshal(t, d.v)
}
