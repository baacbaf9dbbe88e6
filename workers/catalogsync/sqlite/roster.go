package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/offbeat-studio/allama/shared/roster"
)

// SaveRoster makes r the stored roster of providers, in one transaction.
func (s *Store) SaveRoster(ctx context.Context, r roster.Roster) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("save roster: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := saveRoster(ctx, tx, r); err != nil {
		return fmt.Errorf("save roster: %w", judge(err))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("save roster: %w", judge(err))
	}
	return nil
}

func saveRoster(ctx context.Context, tx *sql.Tx, r roster.Roster) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM provider_definitions`); err != nil {
		return err
	}
	for _, d := range r.Definitions {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO provider_definitions (name, kind, host, sealed_key, sealed_keys, inactive, max_concurrency, rpm, tpm, timeout, strict, beta, pool)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			d.Name, d.Kind, d.Host, []byte(d.Key), document[[]roster.Sealed]{&d.Keys}, d.Inactive, d.MaxConcurrency, d.RPM, d.TPM,
			d.Timeout, d.Strict, d.Beta, document[roster.Pool]{&d.Pool})
		if err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM provider_states`); err != nil {
		return err
	}
	for name, state := range r.States {
		if _, err := tx.ExecContext(ctx, `INSERT INTO provider_states (name, state) VALUES (?, ?)`, name, string(state)); err != nil {
			return err
		}
	}
	if err := saveCaps(ctx, tx, r.Caps); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO provider_roster (one, revision) VALUES (1, ?)
		ON CONFLICT (one) DO UPDATE SET revision = excluded.revision`, int64(r.Revision))
	return err
}

// LoadRoster returns the roster that was saved last, the zero roster where none
// was.
func (s *Store) LoadRoster(ctx context.Context) (roster.Roster, error) {
	// There is one writer, and it does not write while it reads.
	var r roster.Roster
	err := s.db.QueryRowContext(ctx, `SELECT revision FROM provider_roster`).Scan(&r.Revision)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err == nil {
		r.Definitions, err = s.loadDefinitions(ctx)
	}
	if err == nil {
		r.States, err = s.loadStates(ctx)
	}
	if err == nil {
		r.Caps, err = s.loadCaps(ctx)
	}
	if err != nil {
		return roster.Roster{}, fmt.Errorf("load roster: %w", judge(err))
	}
	return r, nil
}

func (s *Store) loadDefinitions(ctx context.Context) (list []roster.Definition, err error) {
	rows, err := s.db.QueryContext(ctx, `
		SELECT name, kind, host, sealed_key, sealed_keys, inactive, max_concurrency, rpm, tpm, timeout, strict, beta, pool
		FROM provider_definitions ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d roster.Definition
		err := rows.Scan(&d.Name, &d.Kind, &d.Host, (*[]byte)(&d.Key), document[[]roster.Sealed]{&d.Keys}, &d.Inactive, &d.MaxConcurrency,
			&d.RPM, &d.TPM, &d.Timeout, &d.Strict, &d.Beta, document[roster.Pool]{&d.Pool})
		if err != nil {
			return nil, unreadable(err)
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// loadStates returns nil where all providers are open.
func (s *Store) loadStates(ctx context.Context) (states map[string]roster.State, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT name, state FROM provider_states`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var state roster.State
		if err := rows.Scan(&name, &state); err != nil {
			return nil, unreadable(err)
		}
		if states == nil {
			states = map[string]roster.State{}
		}
		states[name] = state
	}
	return states, rows.Err()
}
