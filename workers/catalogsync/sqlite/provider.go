package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
)

func loadProviders(ctx context.Context, conn *sql.Conn) (entries []Entry, err error) {
	rows, err := conn.QueryContext(ctx, `
		SELECT name, kind, dialect, native, base_url, error, synced_at, stale
		FROM providers ORDER BY position`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Entry
		p := &e.Provider
		err := rows.Scan(&p.Name, &p.Kind, &p.Dialect, document[[]string]{&p.Native}, &p.BaseURL,
			&p.Error, (*millis)(&p.SyncedAt), &p.Stale)
		if err != nil {
			return nil, unreadable(err)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

func saveProviders(ctx context.Context, tx *sql.Tx, entries []Entry) error {
	keep := make(map[string]bool, len(entries))
	for i, e := range entries {
		p := e.Provider
		keep[p.Name] = true
		_, err := tx.ExecContext(ctx, `
			INSERT INTO providers (name, position, kind, dialect, native, base_url, error, synced_at, stale)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET
				position = excluded.position, kind = excluded.kind, dialect = excluded.dialect,
				native = excluded.native, base_url = excluded.base_url, error = excluded.error,
				synced_at = excluded.synced_at, stale = excluded.stale`,
			p.Name, i, p.Kind, p.Dialect, document[[]string]{&p.Native}, p.BaseURL, p.Error, millis(p.SyncedAt), p.Stale)
		if err != nil {
			return err
		}
	}
	return removeOthers(ctx, tx, keep, `SELECT name FROM providers`, `DELETE FROM providers WHERE name = ?`)
}

// removeOthers deletes the rows whose key, the only column of the selection, is
// not one to keep. The args go before the key, to the selection as well.
func removeOthers(ctx context.Context, tx *sql.Tx, keep map[string]bool, selection, deletion string, args ...any) error {
	rows, err := tx.QueryContext(ctx, selection, args...)
	if err != nil {
		return err
	}
	var gone []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return errors.Join(err, rows.Close())
		}
		if !keep[key] {
			gone = append(gone, key)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, key := range gone {
		if _, err := tx.ExecContext(ctx, deletion, append(slices.Clip(args), key)...); err != nil {
			return err
		}
	}
	return nil
}
