package sqlite

import (
	"context"
	"database/sql"
)

func saveCaps(ctx context.Context, tx *sql.Tx, caps map[string]int) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM provider_caps`); err != nil {
		return err
	}
	for name, n := range caps {
		if _, err := tx.ExecContext(ctx, `INSERT INTO provider_caps (name, max_concurrency) VALUES (?, ?)`, name, n); err != nil {
			return err
		}
	}
	return nil
}

// loadCaps returns nil where no cap was changed.
func (s *Store) loadCaps(ctx context.Context) (caps map[string]int, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT name, max_concurrency FROM provider_caps`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return nil, unreadable(err)
		}
		if caps == nil {
			caps = map[string]int{}
		}
		caps[name] = n
	}
	return caps, rows.Err()
}
