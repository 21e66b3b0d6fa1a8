import { useParams } from '@tanstack/react-router';
import { TextLink } from '@/components/links';
import { Page } from '@/components/page';
import { LoginDetail } from './login/detail';

export function LoginPage() {
  const { id } = useParams({ from: '/shell/logins/$id' });
  return (
    <Page
      title="Login"
      lead={
        <TextLink to="/logins" size="sm">
          All logins
        </TextLink>
      }
    >
      <LoginDetail id={id} />
    </Page>
  );
}
